"""What `streamlit run` starts. It lies at the root, so that the packages are found from any folder."""

from app.main import main

main()
