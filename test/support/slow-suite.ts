/** Suites with real nodes and servers: the longest single test waits for several node patches. */
const LONGEST_TEST_MS = 600_000;

jest.setTimeout(LONGEST_TEST_MS);
