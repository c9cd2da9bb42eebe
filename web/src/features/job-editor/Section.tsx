import type { ReactNode } from "react";
import type { FieldProblem } from "@/api/problem";
import { Icon } from "@/ui/icons";
import { isRefusal, SECTIONS, type SectionId, sectionOf } from "./sections";
import classes from "./job-editor.module.css";

interface SectionProps {
  id: SectionId;
  problems: readonly FieldProblem[];
  /** How it is called where not as usual. */
  title?: string;
  /** A line below the title. */
  about?: ReactNode;
  children: ReactNode;
}

/** One part of the form. Where something in it is wrong, its title says so. */
export const Section = ({ id, problems, title, about, children }: SectionProps) => (
  <section className={`wb-panel ${classes.section}`} id={`section-${id}`} aria-labelledby={`title-${id}`}>
    <h2 id={`title-${id}`} className={classes.title} tabIndex={-1}>
      {title ?? SECTIONS.find((one) => one.id === id)?.title}
      <SectionMark id={id} problems={problems} />
    </h2>
    {about && <p className={classes.about}>{about}</p>}
    {children}
  </section>
);

export const SectionMark = ({ id, problems }: { id: SectionId; problems: readonly FieldProblem[] }) => {
  const own = problems.filter((one) => sectionOf(one.field) === id);
  if (own.length === 0) return null;
  const isBad = own.some(isRefusal);
  return (
    <span className={classes.mark} data-tone={isBad ? "bad" : "warn"}>
      <Icon name={isBad ? "failed" : "warning"} size={13} />
      {isBad ? `${own.length} to mend` : "look here"}
    </span>
  );
};

/** Brings a section into sight and puts the keyboard there. */
export const goToSection = (id: SectionId): void => {
  document.getElementById(`section-${id}`)?.scrollIntoView({ block: "start" });
  document.getElementById(`title-${id}`)?.focus({ preventScroll: true });
};

interface SectionLinksProps {
  problems: readonly FieldProblem[];
  sections?: readonly { id: SectionId; title: string }[];
}

/** Chips that lead to the sections, with their marks. */
export const SectionLinks = ({ problems, sections = SECTIONS }: SectionLinksProps) => (
  <nav className={classes.jumps} aria-label="Sections of the form">
    {sections.map((one) => (
      <button key={one.id} type="button" className={classes.jump} onClick={() => goToSection(one.id)}>
        {one.title}
        <SectionMark id={one.id} problems={problems} />
      </button>
    ))}
  </nav>
);
