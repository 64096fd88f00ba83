/** A moment as a clock shows it, in no particular time zone. */
export interface Calendar {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** 0 is Sunday. */
  readonly weekday: number;
}

/** @param milliseconds since the start of 1970 on the same clock. */
export function readCalendar(milliseconds: number): Calendar {
  const date = new Date(milliseconds);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    weekday: date.getUTCDay(),
  };
}

/** The way back; the weekday doesn't count, and fields out of their range carry over. */
export function toMilliseconds(calendar: Calendar): number {
  const date = new Date(0);
  // Not Date.UTC: it takes the years 0 to 99 for the twentieth century.
  date.setUTCFullYear(calendar.year, calendar.month - 1, calendar.day);
  date.setUTCHours(calendar.hour, calendar.minute, calendar.second);
  return date.getTime();
}

/** The first full second after a moment at which the clock shows these values; undefined values are any. */
export function nextAlarm(
  after: number,
  hour: number | undefined,
  minute: number | undefined,
  second: number | undefined,
): number | undefined {
  if ((hour ?? 0) > 23 || (minute ?? 0) > 59 || (second ?? 0) > 59) return undefined;
  let time = (Math.floor(after / 1000) + 1) * 1000;
  // At most 60 steps to the second, 60 to the minute, 24 to the hour, and the same again from the next day's start.
  for (;;) {
    const date = new Date(time);
    if (hour !== undefined && date.getUTCHours() !== hour) time = nextMultiple(time, 3_600_000);
    else if (minute !== undefined && date.getUTCMinutes() !== minute) time = nextMultiple(time, 60_000);
    else if (second !== undefined && date.getUTCSeconds() !== second) time += 1000;
    else return time;
  }
}

function nextMultiple(time: number, unit: number): number {
  return (Math.floor(time / unit) + 1) * unit;
}
