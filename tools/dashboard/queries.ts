/** PromQL of the dashboard. Replicas of an exporter show the same, so `instance` and `pod` are taken away before anything is counted. */

/** Of the chosen exporters. */
export function own(name: string, matchers = ''): string {
  return `max without (instance, pod) (${name}{${list('job=~"$job"', matchers)}})`;
}

/** Of the chosen clusters. */
export function ofClusters(name: string, matchers = ''): string {
  return own(name, list('cluster=~"$cluster"', matchers));
}

/** How much a counter of the chosen clusters has grown in the time that is shown. */
export function growth(name: string): string {
  return `max without (instance, pod) (increase(${name}{job=~"$job",cluster=~"$cluster"}[$__range]))`;
}

/** Seconds since a timestamp; none before there was one. */
export function age(name: string): string {
  return `time() - ${ofClusters(name)}`;
}

/** What is 0 when there is no series. */
export function orZero(expr: string): string {
  return `${expr} or vector(0)`;
}

/** Of the chosen jobs; each worker counts for itself. */
export function ofWorkers(name: string, matchers = ''): string {
  return `${name}{${list('job=~"$job"', matchers)}}`;
}

export function perSecond(name: string): string {
  return `rate(${ofWorkers(name)}[$__rate_interval])`;
}

/** What nine of ten took at most. */
export function quantile(buckets: string): string {
  return `histogram_quantile(0.9, sum by (le) (${perSecond(buckets)}))`;
}

function list(...matchers: string[]): string {
  return matchers.filter((one) => one !== '').join(',');
}
