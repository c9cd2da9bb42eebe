import { Menu, UnstyledButton } from "@mantine/core";
import { useStore } from "@/lib/store";
import { browserZone, type ZoneChoice, zoneName } from "@/lib/time";
import { zoneStore } from "@/lib/zone";
import { Icon } from "@/ui/icons";
import classes from "./shell.module.css";

/** Whose clocks all times are shown on. */
export const ZoneSwitch = () => {
  const chosen = useStore(zoneStore);
  const mine = browserZone();
  const labels: Readonly<Record<ZoneChoice, string>> = {
    mine: `Mine: ${mine} (${zoneName(mine)})`,
    site: "Of each site, where a time has one",
    utc: "UTC",
  };
  const short = { mine: zoneName(mine), site: "Site time", utc: "UTC" }[chosen];
  return (
    <Menu>
      <Menu.Target>
        <UnstyledButton className={classes.zone}>
          <Icon name="due" size={14} />
          <span className="wb-only-read">Times are shown in </span>
          {short}
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Show times in</Menu.Label>
        {(["mine", "site", "utc"] as const).map((one) => (
          <Menu.Item
            key={one}
            onClick={() => zoneStore.set(one)}
            rightSection={one === chosen ? <Icon name="success" size={14} /> : undefined}
            aria-current={one === chosen}
          >
            {labels[one]}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
};
