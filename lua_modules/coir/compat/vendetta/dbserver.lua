--- coir.compat.vendetta.dbserver: a LuaSQL database for remote clients, by remote calls (see dbclient.lua).
local base = require 'coir.compat.base'
local dbworker = require 'coir.compat.vendetta.dbworker'
local fiber = require 'coir.fiber'
local server = require 'coir.compat.vendetta.server'

local dbserver = {
  --- A LuaSQL connection in a worker process, which stops no fiber but its caller.
  connect = dbworker.connect,
}

--- Raises what LuaSQL returns as nil and a message.
local function checked(result, problem)
  if result == nil and problem then error(problem, 0) end
  return result
end

local function records(cursor)
  local rows = {}
  local row, problem = cursor:fetch({}, 'a')
  while row do
    rows[#rows + 1] = row
    row, problem = cursor:fetch({}, 'a')
  end
  cursor:close()
  if problem then error(problem, 0) end
  return rows
end

local function execute(con, sql)
  local result = checked(con:execute(sql))
  if type(result) == 'number' then return math.tointeger(result) or result end
  return records(result)
end

local operations = { execute = execute }
for _, name in ipairs { 'commit', 'rollback', 'setautocommit', 'escape' } do
  operations[name] = function(con, ...) return checked(con[name](con, ...)) end
end

-- A session is {con =, problem =, mutex =}: a connection and who uses it. One question at a time, in their order.
local function new_session(con, problem)
  return { con = con, problem = problem or 'there is no connection', mutex = fiber.mutex() }
end

local function finish(session, ok, ...)
  session.mutex:unlock()
  if not ok then error((...), 0) end
  return ...
end

local function run(session, operation, ...)
  session.mutex:lock()
  if not session.con then return finish(session, false, session.problem) end
  return finish(session, pcall(operation, session.con, ...))
end

--- Closes a client's connection once what the client has asked for is done. What it has not committed is rolled back.
local function close(session)
  session.mutex:lock()
  if session.con then session.con:close() end
  session.con = nil
  session.mutex:unlock()
end

--- Listens, and serves a database. Raises the message when it cannot listen.
--- @param port number|string
--- @param con any a LuaSQL connection, which all clients share, transactions too; or a function that returns a new
---   one (or nil and a message) for each client, which is closed with it
--- @param conn_handler? function as for server.make_server
--- @param disconn_handler? function
--- @return table tcp the listening TCPSocket
function dbserver.make_server(port, con, conn_handler, disconn_handler)
  if con == nil then error('dbserver.make_server: there is no connection', 2) end
  local shared = type(con) ~= 'function' and new_session(con)
  local sessions = setmetatable({}, { __mode = 'k' })

  local methods = {}
  for name, operation in pairs(operations) do
    methods[name] = function(conn, ...) return run(shared or sessions[conn], operation, ...) end
  end

  local function on_connection(conn, problem)
    if conn and not shared then
      local ok, own, message = pcall(con, conn)
      sessions[conn] = new_session(ok and own or nil, ok and message or not ok and base.show(own))
    end
    if conn_handler then conn_handler(conn, problem) end
  end
  local function on_end(conn)
    local session = sessions[conn]
    if session then base.spawn('dbserver', close, session) end
    if disconn_handler then disconn_handler(conn) end
  end
  return server.make_server(port, methods, on_connection, on_end)
end

return dbserver
