import { AppShell, Burger, Group, UnstyledButton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { useEffect } from "react";
import { followEvents } from "@/api/following";
import { useKeys } from "@/lib/keys";
import { startLive } from "@/lib/live";
import { paths } from "@/lib/paths";
import { useIsPhone } from "@/lib/use-is-phone";
import { AppLink } from "@/ui/AppLink";
import { Icon } from "@/ui/icons";
import { AccountMenu } from "./AccountMenu";
import { CommandPalette, openPalette } from "./CommandPalette";
import { KeyHelp } from "./KeyHelp";
import { LiveBadge } from "./LiveBadge";
import { Navigation } from "./Navigation";
import type { NavEntry } from "./nav";
import { ZoneSwitch } from "./ZoneSwitch";
import classes from "./shell.module.css";

/** What is around every page: brand, search, live state, zone, account, navigation, and the keys that work everywhere. */
export const Shell = ({ nav }: { nav: readonly NavEntry[] }) => {
  const [isOpen, menu] = useDisclosure(false);
  const [isHelp, help] = useDisclosure(false);
  const isPhone = useIsPhone();
  const client = useQueryClient();
  const navigate = useNavigate();
  const path = useRouterState({ select: (state) => state.location.pathname });
  useEffect(() => startLive(), []);
  useEffect(() => followEvents(client), [client]);
  useEffect(() => menu.close(), [path]); // eslint-disable-line react-hooks/exhaustive-deps -- only a new page closes it
  // A page's own meaning of a key goes before these, whichever of the two was there first.
  useKeys(
    [
      ...nav.flatMap((one) =>
        one.keys ? [{ keys: one.keys, does: one.label, group: "Go to", run: () => void navigate({ to: one.to }) }] : [],
      ),
      { keys: "s", does: "Search or go to", group: "Everywhere", run: openPalette },
      { keys: "/", does: "Search or go to", group: "Everywhere", run: openPalette },
      { keys: "?", does: "These keys", group: "Everywhere", run: help.open },
    ],
    { under: true },
  );
  return (
    <AppShell
      header={{ height: 48 }}
      navbar={{ width: 212, breakpoint: "sm", collapsed: { mobile: !isOpen } }}
      className={classes.shell}
    >
      <a href="#main" className={classes.skip}>
        Skip to the page
      </a>
      <AppShell.Header className={classes.bar}>
        <Burger
          opened={isOpen}
          onClick={menu.toggle}
          hiddenFrom="sm"
          size="sm"
          aria-label={isOpen ? "Close the navigation" : "Open the navigation"}
        />
        <AppLink to={paths.home()} className={classes.brand} aria-label="Watchbill, to the start">
          <img src="/mark.svg" alt="" width={24} height={24} />
          <span>Watchbill</span>
        </AppLink>
        <UnstyledButton className={classes.search} onClick={openPalette}>
          <Icon name="search" size={14} />
          <span>Search or go to…</span>
          <kbd>Ctrl K</kbd>
        </UnstyledButton>
        <Group gap={6} wrap="nowrap" ml="auto">
          <LiveBadge />
          {!isPhone && <ZoneSwitch />}
          <AccountMenu onHelp={help.open} />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar className={classes.side}>
        <Navigation nav={nav} path={path} />
        {isPhone && (
          <div style={{ padding: "0.75rem" }}>
            <ZoneSwitch />
          </div>
        )}
      </AppShell.Navbar>
      <AppShell.Main className={classes.main} id="main" tabIndex={-1}>
        <Outlet />
      </AppShell.Main>
      <CommandPalette nav={nav} />
      <KeyHelp opened={isHelp} onClose={help.close} />
    </AppShell>
  );
};
