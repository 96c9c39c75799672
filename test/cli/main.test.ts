import { main } from '../../src/cli/main';

function closedPipe(code = 'EPIPE'): Error {
  return Object.assign(new Error(`write ${code}`), { code });
}

describe('src/cli/main', () => {
  const { argv, exitCode } = process;
  afterEach(() => {
    jest.restoreAllMocks();
    process.argv = argv;
    process.exitCode = exitCode;
  });

  async function handlersOf(stream: NodeJS.WriteStream): Promise<(error: Error) => void> {
    const on = jest.spyOn(stream, 'on').mockReturnThis();
    jest.spyOn(process.stdout, 'write').mockReturnValue(true);
    process.argv = ['node', 'ospatch', '--version'];
    await main();
    const [, handler] = on.mock.calls.find(([event]) => String(event) === 'error') ?? [];
    if (handler === undefined) throw new Error('nothing listens for errors');
    return handler as (error: Error) => void;
  }

  test('keeps the exit code when standard error is closed', async () => {
    const exit = jest.spyOn(process, 'exit').mockReturnValue(undefined as never);
    const handler = await handlersOf(process.stderr);
    expect(() => handler(closedPipe())).not.toThrow();
    expect(exit).not.toHaveBeenCalled();
    expect(() => handler(closedPipe('ENOSPC'))).not.toThrow();
  });

  test('ends a command whose standard output is closed with the exit code so far', async () => {
    const exit = jest.spyOn(process, 'exit').mockReturnValue(undefined as never);
    const handler = await handlersOf(process.stdout);
    handler(closedPipe());
    expect(exit.mock.calls).toEqual([[]]);
  });

  test('says that its output is lost when the disk is full, and fails', async () => {
    const exit = jest.spyOn(process, 'exit').mockReturnValue(undefined as never);
    const handler = await handlersOf(process.stdout);
    const told = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
    handler(closedPipe('ENOSPC'));
    expect(told).toHaveBeenCalledWith('error: the output cannot be written: write ENOSPC\n');
    expect(exit).toHaveBeenCalledWith(1);
  });
});
