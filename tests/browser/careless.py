"""The app, and below it what no page of ours does: it offers every action to everybody. What holds then is the action's own
check, as it must when a browser sends the click of a button that it was never shown."""

import os

import streamlit as st

from app import reading
from app.access import actions, entrance
from app.edge import plain, plain_errors
from app.main import main
from precompute import recipe

main()
if entrance.entered():
    run = reading.all_runs()[0][0]
    asked = recipe.read("recipes/demo.toml")
    acts = {
        "re-train": lambda: actions.retrain(asked, hypothesis="forged"),
        "cancel": lambda: actions.cancel(os.environ["CARELESS_JOB"]),
        "judge": lambda: actions.decide(run, "reject", "forged"),
        "delete": lambda: actions.delete_run(run),
    }
    for name, act in acts.items():
        with plain_errors():
            if st.sidebar.button(f"A careless {name}", key=f"careless.{name}"):
                act()
                st.sidebar.write(plain(f"done: {name}"))
