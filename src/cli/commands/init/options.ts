/** What `ospatch init` is given, and where it writes. */

/** As commander gives them. */
export interface InitOptions {
  cluster?: string;
  node: readonly string[];
  jump?: string;
  identity?: string;
  schedule?: string;
  timeZone?: string;
  reboot?: boolean;
  admin?: string;
  adminIdentity?: string;
  expect?: string;
  dir?: string;
  configDir?: string;
  force?: boolean;
  yes?: boolean;
  tls?: boolean;
  tlsCa?: string;
  tlsCert?: string;
  tlsKey?: string;
  apiKeyFile?: string;
}

/** Absolute paths of all files. */
export interface InitPlaces {
  spec: string;
  knownHosts: string;
  policy: string;
  environment: string;
  keyDir: string;
}
