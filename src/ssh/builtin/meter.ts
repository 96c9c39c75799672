/**
 * Counts what a server sends, and ends the connection when that is more than was asked for. The stream is counted below
 * the protocol, so that no kind of message is left out: greetings, banners, debug messages, data for closed channels.
 * Without compression a byte on the wire is at most a byte in memory.
 */
import type { Duplex } from 'node:stream';

/** Identification and key exchange; real servers send 2 to 5 KiB. */
const HANDSHAKE_BYTES = 32 * 1024;

/** Banners and answers of a login. */
const LOGIN_BYTES = 256 * 1024;

/** Keepalives, a rekey, and what was on its way to a channel when that was closed. */
const IDLE_BYTES = 4 * 1024 * 1024;

/** Header, padding and MAC of the packet that carried a chunk through a jump host. */
const PACKET_BYTES = 300;

/** The server's half of the key exchange proposal fits. */
const KEPT_BYTES = 16 * 1024;

export class SentTooMuch extends Error {
  override readonly name = 'SentTooMuch';
}

export class Meter {
  /** Set when the server has sent too much. */
  exceeded: SentTooMuch | null = null;
  private left = HANDSHAKE_BYTES;
  private reserved = 0;
  private head: Buffer[] | null = [];
  private headBytes = 0;

  /** `carrier`: the meter of the connection that carries the stream through a jump host. */
  constructor(
    private readonly stream: Duplex,
    private readonly carrier: Meter | null,
  ) {
    stream.on('data', (chunk: Buffer) => this.count(chunk));
  }

  /** The first bytes of the server, until the end of the key exchange. */
  get beginning(): Buffer {
    return Buffer.concat(this.head ?? []);
  }

  /** The key exchange is complete. */
  handshakeDone(): void {
    this.head = null;
    this.left = LOGIN_BYTES;
  }

  loggedIn(): void {
    this.left = IDLE_BYTES;
  }

  /** Something was asked for that may take so many bytes, until `end` is called with the same number. */
  begin(bytes: number): void {
    this.reserved += bytes;
    this.left += bytes;
  }

  end(bytes: number): void {
    this.reserved -= bytes;
    this.credit(0);
  }

  /** These bytes have been counted for somebody else. */
  private credit(bytes: number): void {
    this.left = Math.min(this.left + bytes, IDLE_BYTES + this.reserved);
  }

  private count(chunk: Buffer): void {
    this.carrier?.credit(chunk.length + PACKET_BYTES);
    this.left -= chunk.length;
    if (this.head !== null && this.headBytes < KEPT_BYTES) {
      this.head.push(chunk.subarray(0, KEPT_BYTES - this.headBytes));
      this.headBytes += chunk.length;
    }
    if (this.left >= 0 || this.exceeded !== null) return;
    this.exceeded = new SentTooMuch('it sent more than was asked for');
    this.stream.destroy(this.exceeded);
  }
}
