--- coir.compat.vendetta.dbclient: a database that is served by dbserver.
---
--- `db:execute(sql)` returns an array of records, or the number of rows that were changed; `db:commit()`,
--- `db:rollback()`, `db:setautocommit(flag)` and `db:escape(text)` are LuaSQL's. Errors, of the database and of the
--- connection, are raised. Calls wait as remote calls do (see client.lua).
local client = require 'coir.compat.vendetta.client'

return {
  --- Starts to connect: (host, port[, conn_handler, disconn_handler]) -> db.
  make_client = client.make_client,
  --- Ends the connection.
  close = client.close,
}
