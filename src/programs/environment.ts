/**
 * The environment of programs that the worker starts. The worker's own holds secrets (API keys, the agent of its keys),
 * so a program gets a list of variables instead of all but a few.
 */
import { defined } from '../domain/shared/defined';

/** What every program may need: where programs, the home directory and temporary files are, language, time zone. */
const BASIC = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TMPDIR'];

/** For programs that call a service through the proxy, and with the authorities, of the worker. */
export const NETWORK_VARIABLES: readonly string[] = [
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'].flatMap((name) => [name, name.toLowerCase()]),
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
];

/** Where `PATH` is not set, as in a service with an empty environment. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface EnvironmentOptions {
  /** Names of further variables to take from the worker; one that ends in `*` is a prefix. */
  pass?: readonly string[];
  /** Variables with their values. */
  set?: Readonly<Record<string, string>>;
  /** The environment of the worker. */
  from?: NodeJS.ProcessEnv;
}

/** The environment of a program: the basic variables, those to pass, and those to set. */
export function programEnvironment({ pass = [], set = {}, from = process.env }: EnvironmentOptions = {}): Record<
  string,
  string
> {
  const names = new Set([...BASIC, ...pass]);
  const prefixes = pass.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1));
  const isPassed = (name: string) => names.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
  const passed = Object.fromEntries(Object.entries(from).filter(([name]) => isPassed(name)));
  return { PATH: DEFAULT_PATH, ...(defined(passed) as Record<string, string>), ...set };
}
