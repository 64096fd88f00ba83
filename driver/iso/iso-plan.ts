import type { Logger } from '../contract/logger';

export interface IsoRequest {
  /** docker-machine's base directory (`~/.docker/machine`); the cache lies below it. */
  readonly storePath: string;
  /** `--hyperkit-boot2docker-url` as given; '' means the cached or our own ISO. */
  readonly url: string;
  /** Where our own ISO may lie, best first; absent files are passed over. */
  readonly bundledIsos: readonly string[];
  readonly logger: Logger;
  /** For the GitHub API (`--github-api-token`). */
  readonly githubToken?: string;
  /** Hex; what `url` leads to must have it. */
  readonly expectedSha256?: string;
  readonly signal?: AbortSignal;
}

/** Where the machine's ISO will come from; a plain record, safe to keep between PreCreateCheck and Create. */
export type IsoPlan =
  | { readonly kind: 'cache'; readonly path: string; readonly version: string | undefined }
  | { readonly kind: 'file'; readonly path: string; readonly version: string | undefined }
  | { readonly kind: 'download'; readonly url: string; readonly version: string | undefined };

export interface InstalledIso {
  /** machines/NAME/boot2docker.iso */
  readonly path: string;
  /** `v19.03.12`; undefined when the ISO's volume name carries no version. */
  readonly version: string | undefined;
  /** A file with the same content that outlives the machine; undefined for a download. */
  readonly source: string | undefined;
}
