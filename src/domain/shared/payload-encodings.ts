/** Payload metadata written only by ospatch. Processes that cannot decode a payload use it to report the reason. */

/** Encrypted with the key named by {@link ENCRYPTION_KEY}. */
export const ENCRYPTED_ENCODING = 'binary/ospatch-aes-256-gcm';

/** Name and fingerprint of a key. */
export const ENCRYPTION_KEY = 'ospatch-key';

export const COMPRESSED_ENCODING = 'binary/ospatch-zlib';
