/** The quick selection; `make test-systems` runs all. */
import { describeStates } from './apt-states-suite';

describeStates({ all: false });
