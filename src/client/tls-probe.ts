/** Why a server and this client do not agree on TLS: gRPC itself retries until its timeout and does not say why. */
import { isIP } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { checkServerIdentity, connect } from 'node:tls';
import { defined } from '../domain/shared/defined';
import { codeOf } from '../domain/shared/error-code';
import { plainText } from '../domain/shared/text';
import { parseTarget, usesProxy } from './reachability';

/** The TLS settings of a connection, as the SDK takes them. */
export interface TlsSettings {
  serverNameOverride?: string;
  serverRootCACertificate?: Uint8Array;
  clientCertPair?: { crt: Uint8Array; key: Uint8Array } | undefined;
}

/** What cannot be changed by trying again. */
export interface TlsProblem {
  /** A clause about the server, for example `shows a certificate that has expired`. */
  found: string;
  remedy: string;
}

const TIMEOUT_MS = 5_000;
/** How an HTTP/2 client begins, with an empty SETTINGS frame; a server answers with its own. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0', 'latin1');

const PLAIN: TlsProblem = {
  found: 'does not use TLS, and this client does',
  remedy: 'check the address; for a server without TLS switch it off: TEMPORAL_TLS=false, or `tls` in the profile',
};
/** Connects once, with TLS. Null: TLS is no problem, or not known to be one. */
export function tlsProblem(address: string, tls: TlsSettings, env: NodeJS.ProcessEnv): Promise<TlsProblem | null> {
  const target = parseTarget(address);
  if (target === null || usesProxy(env)) return Promise.resolve(null);
  const name = tls.serverNameOverride ?? target.host;
  let socket: TLSSocket;
  try {
    socket = connect({ ...target, ...optionsOf(tls, name) });
  } catch (error) {
    // A certificate or key that OpenSSL cannot read.
    return Promise.resolve({
      found: `is not asked, because the TLS files of this client cannot be used: ${sentenceOf(error)}`,
      remedy: 'check the certificate and key files of TEMPORAL_TLS_... or of the profile; they are PEM files',
    });
  }
  return new Promise((resolve) => {
    const end = (problem: TlsProblem | null): void => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(TIMEOUT_MS, () => end(null));
    socket.once('secureConnect', () => socket.write(PREFACE));
    socket.once('data', () => end(null));
    socket.once('error', (error) => end(explain(error, tls, name)));
    socket.once('close', () => end(null));
  });
}

function optionsOf({ serverRootCACertificate, clientCertPair }: TlsSettings, name: string): ConnectionOptions {
  return {
    checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
    ...defined({
      servername: isIP(name) === 0 ? name : undefined,
      ca: serverRootCACertificate === undefined ? undefined : Buffer.from(serverRootCACertificate),
      cert: clientCertPair === undefined ? undefined : Buffer.from(clientCertPair.crt),
      key: clientCertPair === undefined ? undefined : Buffer.from(clientCertPair.key),
    }),
    ALPNProtocols: ['h2'],
  };
}

function explain(
  error: Error,
  { serverRootCACertificate, clientCertPair }: TlsSettings,
  name: string,
): TlsProblem | null {
  const code = codeOf(error) ?? '';
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST/.test(code)) return PLAIN;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return {
      found: `shows a certificate that is not for ${plainText(name, 100)}`,
      remedy: 'use a name of the certificate in the address, or set TEMPORAL_TLS_SERVER_NAME to one',
    };
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return {
      found: `shows a certificate that ${code === 'CERT_HAS_EXPIRED' ? 'has expired' : 'is not valid yet'}`,
      remedy: 'renew the certificate of the server, and check the clock of this machine',
    };
  }
  if (/SELF_SIGNED|UNABLE_TO|CERT_UNTRUSTED|INVALID_CA/.test(code)) {
    const whose = serverRootCACertificate === undefined ? 'this machine does' : 'the configured authorities do';
    return {
      found: `shows a certificate for which ${whose} not vouch (${code})`,
      remedy:
        'name the certificate of its authority: TEMPORAL_TLS_SERVER_CA_CERT_PATH, or `server_ca_cert_path` in the profile',
    };
  }
  if (/ALERT/.test(code)) {
    return clientCertPair === undefined
      ? {
          found: 'refuses the connection without a client certificate',
          remedy: 'set TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH, or both in the profile',
        }
      : {
          found: `refuses the client certificate (${sentenceOf(error)})`,
          remedy: 'use a client certificate that is valid and whose authority the server knows',
        };
  }
  return null;
}

/** OpenSSL's own words: `error:0A000412:SSL routines::ssl/tls alert bad certificate:../deps/...` */
function sentenceOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return plainText(/^[0-9A-F]*:?error:[^:]*:[^:]*:[^:]*:([^:]+)/i.exec(message)?.[1] ?? message, 100);
}
