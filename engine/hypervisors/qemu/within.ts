/** What `work` comes to. @throws Error with `late` when it takes longer than that; the work goes on unheard then. */
export async function within<Value>(deadlineMs: number, late: string, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      work,
      new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`${late}, more than ${deadlineMs / 1000} s`)), deadlineMs);
      }),
    ]);
  } finally {
    clearTimeout(timer);
    work.catch(() => undefined);
  }
}
