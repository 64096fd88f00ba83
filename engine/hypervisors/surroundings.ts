/** What a back end gets from the process that runs it, beside the specification. */
export interface Surroundings {
  /** Path of dist/hyperkit-machine.cjs: it is also the program that measures KVM. */
  readonly machineProgram: string;
  /** Gives up a start that is under way. */
  readonly signal?: AbortSignal;
  /** Called as soon as a child process exists, before anything can go wrong with it. */
  readonly onChild?: (pid: number) => void;
  /** Put into the environment of every child. */
  readonly childEnvironment?: Readonly<Record<string, string>>;
  /**
   * Children don't hear the Ctrl-C of this process's terminal, which is this process's to answer. Only where the kernel
   * ends them with this process all the same.
   */
  readonly ownSession?: boolean;
  /** Where the hypervisor's own output goes, line by line. */
  readonly log?: (line: string) => void;
}
