import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "@mantine/spotlight/styles.css";
import "./ui/app.css";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { whenSignedOut } from "./api/client";
import { createQueryClient, key } from "./api/query";
import { startKeys } from "./lib/keys";
import { pageNonce } from "./lib/nonce";
import { createConsoleRouter } from "./routes";
import { theme } from "./ui/theme";

// The page's policy lets only styles with its nonce in; what widgets write while they run carries it.
const nonce = pageNonce();
Object.assign(globalThis, { __webpack_nonce__: nonce }); // where the scroll lock of dialogs looks for it

const client = createQueryClient();
const router = createConsoleRouter(client);
whenSignedOut(() => {
  if (client.getQueryData(key("session")) === null) return;
  client.setQueryData(key("session"), null);
  void router.invalidate(); // the way in asks anew who is there, and leads to the sign-in
});
startKeys();

const place = document.getElementById("root");
if (!place) throw new Error("index.html has no #root");
createRoot(place).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => nonce}>
        <Notifications position="bottom-right" limit={4} />
        <RouterProvider router={router} />
      </MantineProvider>
    </QueryClientProvider>
  </StrictMode>,
);
