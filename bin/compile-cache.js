'use strict';
const { existsSync, mkdirSync, statSync } = require('node:fs');
const nodeModules = require('node:module');
const { homedir } = require('node:os');
const { join, resolve } = require('node:path');

/** Write permission of the group or of everybody. */
const OTHERS_MAY_WRITE = 0o022;

/**
 * Has Node.js, from version 22 on, keep what it has compiled, so that the next start takes less time. What is kept is
 * executed: a directory that belongs to somebody else, or that others may write to, is not used. Never throws.
 */
function useCompileCache(env = process.env, { enableCompileCache } = nodeModules) {
  if (enableCompileCache === undefined) return;
  try {
    const base = baseDir(env);
    if (base === null) return;
    const dir = join(base, 'compiled');
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const { uid, mode } = statSync(dir);
    if (uid !== process.getuid() || (mode & OTHERS_MAY_WRITE) !== 0) return;
    enableCompileCache(dir);
  } catch {
    // A read-only home directory: everything is compiled anew.
  }
}

/** The directory for caches of ospatch; null where there is none: a home directory that is missing is not made. */
function baseDir(env) {
  if (env.OSPATCH_CACHE !== undefined) return resolve(env.OSPATCH_CACHE);
  if (env.XDG_CACHE_HOME !== undefined) return join(env.XDG_CACHE_HOME, 'ospatch');
  const home = homedir();
  return existsSync(home) ? join(home, '.cache', 'ospatch') : null;
}

module.exports = { useCompileCache };
