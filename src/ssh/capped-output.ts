/** The output of a command: the first bytes of both streams are kept, and there is an end to what is read at all. */

/** What may be on its way before a machine hears that nobody listens any more. */
const ON_ITS_WAY_BYTES = 4 * 1024 * 1024;

export class CappedOutput {
  /** Both streams together; a command that prints more is not waited for. */
  readonly endBytes: number;
  private read = 0;
  private readonly stdout: CappedBuffer;
  private readonly stderr: CappedBuffer;

  /** `maxBytes`: kept of each stream. */
  constructor(maxBytes: number) {
    this.stdout = new CappedBuffer(maxBytes);
    this.stderr = new CappedBuffer(maxBytes);
    this.endBytes = 2 * maxBytes + ON_ITS_WAY_BYTES;
  }

  /** Whether the command may go on. */
  push(stream: 'stdout' | 'stderr', chunk: Buffer): boolean {
    this.read += chunk.length;
    this[stream].push(chunk);
    return this.read <= this.endBytes;
  }

  value(): { stdout: Buffer; stderr: Buffer; truncated: boolean } {
    const truncated = this.stdout.truncated || this.stderr.truncated;
    return { stdout: this.stdout.value(), stderr: this.stderr.value(), truncated };
  }
}

/** Keeps the first `max` bytes of a stream and drops the rest. */
class CappedBuffer {
  truncated = false;
  private size = 0;
  private readonly chunks: Buffer[] = [];

  constructor(private readonly max: number) {}

  push(chunk: Buffer): void {
    const kept = chunk.subarray(0, this.max - this.size);
    if (kept.length < chunk.length) this.truncated = true;
    if (kept.length === 0) return;
    this.size += kept.length;
    // A copy: a small chunk must not hold the large buffer that it was read into.
    this.chunks.push(Buffer.from(kept));
  }

  value(): Buffer {
    return Buffer.concat(this.chunks);
  }
}
