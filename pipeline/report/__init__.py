"""Why a net errs, with pictures, and the page that says so."""
