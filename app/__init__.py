"""The Streamlit app: reads the store, computes nothing itself."""
