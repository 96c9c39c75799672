/** Paths of all modules of a bundle that is not minified. */
export function modulesOf(code: string): string[];
/** The package of a module; null for a module of ospatch. */
export function packageOf(id: string): string | null;
/** Modules that are not allowed in the bundle. */
export function unexpectedIn(code: string): string[];
