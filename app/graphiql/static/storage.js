// What is kept on the device, under names of our own: another GraphiQL at the same address, such as
// a colleague's project on the same port, keeps its tabs under GraphiQL's own names.

const PREFIX = "todo-api:";

export const storage = {
  get length() {
    return this.keys().length;
  },
  keys: () => Object.keys(localStorage).filter((key) => key.startsWith(PREFIX)),
  getItem: (key) => localStorage.getItem(PREFIX + key),
  setItem: (key, value) => localStorage.setItem(PREFIX + key, value),
  removeItem: (key) => localStorage.removeItem(PREFIX + key),
  clear() {
    this.keys().forEach((key) => localStorage.removeItem(key));
  },
};
