import { createTheme, type MantineColorsTuple } from "@mantine/core";

/** Harbour: a calm teal with an amber light. Text on `filled` reaches 4.5:1 in both schemes. */
const harbour: MantineColorsTuple = [
  "#e8f6f5",
  "#d3eae8",
  "#a6d5d1",
  "#75bfb9",
  "#4faca5",
  "#2f9a92",
  "#17837c",
  "#0f6b6b",
  "#0b5757",
  "#064646",
];

/** The greys of the dark scheme have a little of the teal in them, as its panels do. */
const dark: MantineColorsTuple = [
  "#d3dcdf",
  "#b4bfc3",
  "#8f9ca1",
  "#6b787e",
  "#414c52",
  "#323c42",
  "#232b30",
  "#181e22",
  "#12171a",
  "#0c1012",
];

export const theme = createTheme({
  colors: { harbour, dark },
  primaryColor: "harbour",
  primaryShade: { light: 7, dark: 6 },
  defaultRadius: "sm",
  fontFamily: 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, "Cascadia Mono", "DejaVu Sans Mono", Menlo, monospace',
  fontSizes: { xs: "0.75rem", sm: "0.8125rem", md: "0.875rem", lg: "1rem", xl: "1.125rem" },
  headings: { fontWeight: "620", sizes: { h1: { fontSize: "1.25rem", lineHeight: "1.75rem" }, h2: { fontSize: "1rem" } } },
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    Button: { defaultProps: { size: "xs" } },
    TextInput: { defaultProps: { size: "sm" } },
    Select: { defaultProps: { size: "sm", comboboxProps: { shadow: "md" } } },
    Tooltip: { defaultProps: { openDelay: 250, events: { hover: true, focus: true, touch: true }, multiline: true, maw: 360 } },
    Modal: {
      defaultProps: { centered: true, padding: "md" },
      styles: {
        content: { background: "var(--wb-panel)" },
        header: { background: "var(--wb-panel)" },
        title: { fontWeight: 620 },
      },
    },
    Notification: { defaultProps: { closeButtonProps: { "aria-label": "Put the message away" } } },
    Menu: { defaultProps: { shadow: "md", position: "bottom-end" } },
    ActionIcon: { defaultProps: { variant: "subtle", color: "gray", size: "md" } },
  },
});
