/** Suites with an API server: the longest test drains 200 pods on a busy machine. */
const LONGEST_TEST_MS = 300_000;

jest.setTimeout(LONGEST_TEST_MS);
