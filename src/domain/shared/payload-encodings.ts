/** Names in the metadata of payloads that only ospatch writes. Those who cannot read one can say by them why. */

/** Encrypted with the key that {@link ENCRYPTION_KEY} names. */
export const ENCRYPTED_ENCODING = 'binary/ospatch-aes-256-gcm';

/** Name and fingerprint of a key. */
export const ENCRYPTION_KEY = 'ospatch-key';

export const COMPRESSED_ENCODING = 'binary/ospatch-zlib';
