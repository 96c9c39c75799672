/** Paths of all modules of a bundle that is not minified. */
export function modulesOf(code: string): string[];
/** The package of a module, or null for one of ours. */
export function packageOf(id: string): string | null;
/** Modules that do not belong into the bundle. */
export function unexpectedIn(code: string): string[];
