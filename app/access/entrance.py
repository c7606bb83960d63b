"""The door: who must sign in sees that and nothing else; who is in finds their name and the way out in the sidebar."""

import streamlit as st

from app import interactions
from app.access import hosting, roles
from app.edge import plain, plain_errors


def entered() -> bool:
    """Whether this visitor may look; draws the page to sign in on where not."""
    with plain_errors():
        if not roles.sign_in() or roles.person().signed_in:
            return True
        with st.container(key="entrance", width=460):
            st.title("Loupe")
            st.write("What a convolutional network looks at while it learns. This host asks visitors to sign in.")
            for name in roles.providers():
                title = f"Sign in with {name}" if name else "Sign in"
                st.button(
                    title,
                    key=f"sign-in.{name}",
                    icon=":material/login:",
                    type="primary",
                    on_click=st.login,
                    args=(name,) if name else (),
                )
    return False


def who() -> None:
    """At the foot of the sidebar."""
    with st.sidebar.container(key="who", gap="small"):
        asking = roles.person()
        if asking.signed_in:
            st.text(asking.name)  # in Markdown an address would become a link
            st.caption("Engineer" if roles.may("re-train") else "Only to look", help=standing(asking))
            st.button("Sign out", key="sign-out", icon=":material/logout:", type="tertiary", on_click=st.logout)
        elif hosting.read_only() or not asking.engineer:
            st.caption("Only to look at", help=standing(asking))
        else:
            st.text_input(
                "Your name",
                key=roles.NAME,
                max_chars=roles.NAME_LENGTH,
                persist_state="session",
                help="Stands beside the trainings you ask for and the observations and verdicts you leave.",
            )
        interactions.consent()


def signature(done: str) -> None:
    """In whose name something will be done, said beside its button: "Asked for" by whom."""
    asking = roles.person()
    if asking.name:
        st.caption(plain(f"{done} by {asking.name}."))
    elif asking.engineer:
        st.caption(f"{done} by nobody in particular: write your name at the foot of the sidebar to change that.")


def standing(asking: roles.Person) -> str:
    """What this person may do here, in a sentence."""
    reason = roles.refusal("re-train", asking)
    return reason or "You are an engineer here: you may ask for trainings, judge, and delete runs."
