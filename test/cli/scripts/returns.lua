return false, "ignored"
