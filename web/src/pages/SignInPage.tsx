import { useNavigate, useRouter, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { useSession } from "@/api/session";
import { ChoosePassword } from "@/features/shell/ChoosePassword";
import { SignInForm } from "@/features/session/SignInForm";
import { parseSearch, type RawSearch } from "@/lib/search-params";
import classes from "@/features/session/session.module.css";

/** The way in; leads on to where one was going. */
const SignInPage = () => {
  const session = useSession();
  const search: RawSearch = useSearch({ strict: false });
  const next = typeof search["next"] === "string" ? search["next"] : "/";
  const navigate = useNavigate();
  const router = useRouter();
  const isIn = session !== null && !session.must_change_password;
  useEffect(() => {
    document.title = "Sign in · Watchbill";
  }, []);
  useEffect(() => {
    if (!isIn) return;
    const [path, query] = next.split("?");
    void router.invalidate().then(() => navigate({ to: path, search: parseSearch(query ?? "") as never, replace: true }));
  }, [isIn, next, navigate, router]);
  return (
    <main className={classes.page}>
      <div className={`wb-panel ${classes.card}`}>
        <div className={classes.brand}>
          <img src="/mark.svg" alt="" width={36} height={36} />
          <div>
            <h1>Watchbill</h1>
            <p>Scheduled jobs for a fleet of computers</p>
          </div>
        </div>
        {session?.must_change_password ? (
          <ChoosePassword
            username={session.operator.username}
            intro={`Choose a password of your own, ${session.operator.username}. The one that you were given ends with that.`}
            currentLabel="Password you were given"
            submit="Choose and go on"
          />
        ) : (
          <SignInForm />
        )}
      </div>
    </main>
  );
};

export default SignInPage;
