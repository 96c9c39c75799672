/** Keeps the first `max` bytes of a stream and drops the rest. */
export class CappedBuffer {
  truncated = false;
  private size = 0;
  private readonly chunks: Buffer[] = [];

  constructor(private readonly max: number) {}

  push(chunk: Buffer): void {
    const kept = chunk.subarray(0, this.max - this.size);
    if (kept.length < chunk.length) this.truncated = true;
    if (kept.length === 0) return;
    this.size += kept.length;
    this.chunks.push(kept);
  }

  value(): Buffer {
    return Buffer.concat(this.chunks);
  }
}
