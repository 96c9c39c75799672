// What one Temporal workflow that sleeps for a year costs without anything of the product: the anchor of fleet.js.
'use strict';
const { condition, defineUpdate, setHandler, sleep } = require('@temporalio/workflow');

exports.cluster = async function cluster() {
  let applied = false;
  setHandler(defineUpdate('applySpec'), () => {
    applied = true;
    return 'created';
  });
  await condition(() => applied);
  await sleep('365 days');
};
