/** The cutoff that rests on how long earlier patches took. */
export const FORECAST = 'forecast';
