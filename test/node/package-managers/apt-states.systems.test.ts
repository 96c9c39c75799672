import { describeStates } from './apt-states-suite';

describeStates({ all: true });
