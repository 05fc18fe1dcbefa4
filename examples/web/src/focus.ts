// Whose the focus is after something that took a while.

/** Whether it is still in a row, or was lost as the row was moved: elsewhere it went by somebody's will. */
export const isFocusStillIn = (row: Element | null | undefined): boolean =>
  document.activeElement === document.body || Boolean(row?.contains(document.activeElement));
