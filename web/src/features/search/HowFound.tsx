import classes from "./search.module.css";

/** How a search of output is asked, and what it cannot find. */
export const HowFound = () => (
  <dl className={classes.how}>
    <div>
      <dt>
        <code>disk full</code>
      </dt>
      <dd>Both words, anywhere in what a device wrote.</dd>
    </div>
    <div>
      <dt>
        <code>&quot;disk full&quot;</code>
      </dt>
      <dd>The words next to one another, in one stream.</dd>
    </div>
    <div>
      <dt>
        <code>err*</code>
      </dt>
      <dd>Words that begin so.</dd>
    </div>
    <div>
      <dt>
        <code>/var/log</code>
      </dt>
      <dd>Its words next to one another: what is between letters, digits and underscores only parts words.</dd>
    </div>
    <p>
      Capitals do not count. Runs that have ended are searched, the newest first; of each stream the first and the last 16 KiB.
    </p>
  </dl>
);
