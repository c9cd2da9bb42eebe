/** Wall clocks as the API writes them, `2026-05-04T07:00`. Which instant one is, in which zone, is the Engine's to say. */

const WALL = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})$/;
const FACE = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})/;

/** Whether an input for date and time can hold it; an instant with its offset, or with seconds, is written as a text. */
export const isWallClock = (text: string): boolean => WALL.test(text);

export interface Wall {
  month: number;
  day: number;
  hour: number;
  minute: number;
  /** 0 = Sunday. */
  weekday: number;
}

/** The clock's own face; of an instant with an offset, that of the place it is said for. */
export const wallOf = (text: string): Wall | null => {
  const parts = text.endsWith("Z") ? null : FACE.exec(text);
  if (!parts) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0] = parts.slice(1).map(Number);
  const weekday = new Date(Date.UTC(year, month - 1, day)).getUTCDay();
  return { month, day, hour, minute, weekday };
};

export const addDays = (day: Date, number: number): Date =>
  new Date(day.getFullYear(), day.getMonth(), day.getDate() + number, 12);

/** `2026-05-04`, on this browser's calendar. */
export const dateText = (day: Date): string => {
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${String(day.getFullYear())}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
};
