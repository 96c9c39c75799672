import { reportError } from '../../src/cli/io/errors';
import { ERROR_TYPES, OspatchError } from '../../src/domain/shared/errors';
import { fakeTerminal } from './support';

describe('src/cli/io/errors', () => {
  test.each(ERROR_TYPES)('an error of type %s without a remedy of its own is printed with one', (type) => {
    const terminal = fakeTerminal();
    reportError(terminal.context, new OspatchError({ type, message: 'it failed' }));
    expect(terminal.err()).toMatch(/^error: it failed\.\n {2}fix: \S.*\n$/);
    expect(terminal.exitCode()).toBe(type === 'Usage' || type === 'InvalidSpec' ? 2 : 1);
  });
});
