/** A machine that is emulated in software: slow, but with a kernel and a boot loader of its own. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { sleep } from '../../src/dev/host';

export interface Drive {
  file: string;
  format: 'raw' | 'qcow2';
}

export interface EmulatorOptions {
  drives: Drive[];
  /** File that receives what the machine writes to its serial port. */
  console: string;
  /** Port of 127.0.0.1 that leads to the machine's SSH server. */
  port?: number;
  options?: string[];
}

export interface Emulator {
  readonly process: ChildProcess;
  /** True once the machine is off; false when `limitMs` passed, after which it is killed. */
  ended(limitMs: number): Promise<boolean>;
  /** Takes the power away. */
  kill(): Promise<void>;
}

export const EMULATOR = 'qemu-system-x86_64';

export function emulate({ drives, console, port, options = [] }: EmulatorOptions): Emulator {
  const forward = port === undefined ? '' : `,hostfwd=tcp:127.0.0.1:${port}-:22`;
  const args = [
    ...['-machine', 'pc', '-accel', 'tcg,thread=multi', '-cpu', 'qemu64', '-smp', '2', '-m', '1024'],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-monitor', 'none', '-vga', 'std'],
    ...['-chardev', `file,id=console,path=${console},append=on`, '-serial', 'chardev:console'],
    ...['-netdev', `user,id=net${forward}`, '-device', 'virtio-net-pci,netdev=net,romfile='],
    ...['-device', 'virtio-rng-pci'],
    ...drives.flatMap(({ file, format }) => ['-drive', `if=virtio,format=${format},file=${file},cache=unsafe`]),
    ...options,
  ];
  const machine = spawn(EMULATOR, args, { detached: true, stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = once(machine, 'exit').then(
    () => true,
    () => true,
  );
  // The reaper ends it when this process ends; it must not keep it from ending.
  machine.unref();
  return {
    process: machine,
    async ended(limitMs) {
      machine.ref();
      const over = await Promise.race([ended, sleep(limitMs).then(() => false)]);
      if (!over) await this.kill();
      return over;
    },
    async kill() {
      machine.ref();
      machine.kill('SIGKILL');
      await ended;
    },
  };
}
