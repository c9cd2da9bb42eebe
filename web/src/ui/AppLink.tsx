import { Link } from "@tanstack/react-router";
import type { AnchorHTMLAttributes, Ref } from "react";
import { parseSearch } from "@/lib/search-params";

export interface AppLinkProps extends Omit<AnchorHTMLAttributes<HTMLAnchorElement>, "href"> {
  /** An address from `lib/paths`. */
  to: string;
  ref?: Ref<HTMLAnchorElement>;
}

/** A link within the console. Usable as `component={AppLink}` of Mantine's parts. */
export const AppLink = ({ to, className, ...rest }: AppLinkProps) => {
  const [path, query] = to.split("?");
  return (
    <Link
      to={path}
      search={parseSearch(query ?? "") as never}
      className={className ?? "wb-link"}
      preload="intent"
      activeOptions={{ exact: true }}
      {...rest}
    />
  );
};
