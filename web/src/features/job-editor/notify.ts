import { notifications } from "@mantine/notifications";

/** What a save warns of: it stays until it is read. */
export const notify = (warning: string): void => {
  notifications.show({ title: "Saved, and held back", message: warning, color: "yellow", autoClose: false });
};
