/** Names of files in the secrets directory of a worker (`OSPATCH_SECRET_DIR`), as specs give them. */

/** A bare name: no path, no leading dot. */
export const SECRET_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}$/;
export const SECRET_NAME_FORMAT =
  'the bare name of a file in the secrets directory of the worker (no path, no leading dot)';
