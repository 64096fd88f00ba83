/** One `--hyperkit-…` option as docker-machine learns it through GetCreateFlags (libmachine `mcnflag`). */
export type CreateFlag =
  | {
      readonly kind: 'string';
      readonly name: string;
      readonly usage: string;
      readonly envVar: string;
      readonly value: string;
    }
  | {
      readonly kind: 'int';
      readonly name: string;
      readonly usage: string;
      readonly envVar: string;
      readonly value: number;
    }
  | { readonly kind: 'bool'; readonly name: string; readonly usage: string; readonly envVar: string }
  | {
      readonly kind: 'slice';
      readonly name: string;
      readonly usage: string;
      readonly envVar: string;
      readonly value: readonly string[];
    };

/** Values as they arrive in RPCFlags: our own flags and docker-machine's shared ones; unknown keys are ignored. */
export type FlagValues = ReadonlyMap<string, string | number | boolean | readonly string[]>;
