/** The quick choice; `make test-systems` takes all. */
import { describeStates } from './apt-states-suite';

describeStates({ all: false });
