--- coir.compat.vendetta.dbworker: a LuaSQL connection that keeps no fiber waiting but its caller.
---
--- LuaSQL's drivers wait inside C libraries (SQLite on the disk, where nothing could be waited for otherwise). So each
--- connection lives in a worker, a second coir process, and is asked over a Unix socket in lines of JSON, one question
--- at a time. A process needs no binding of its own for each driver, a driver that crashes takes nobody with it, and
--- whatever ends the connection ends the worker. It costs the memory of a process and one copy of the rows.
local fiber = require 'coir.fiber'
local socket = require 'coir.socket'
local wire = require 'coir.compat.vendetta.wire'

local dbworker = {}

local patience = 30 -- seconds for a worker to start
local longest_line = 1 << 40

local first = 0
while arg and arg[first - 1] do first = first - 1 end
--- The coir program that is run as the worker: this one, unless set otherwise.
dbworker.program = arg and first < 0 and arg[first] or 'coir'

-- -- The worker -------------------------------------------------------------------------------------

local function all_rows(cursor)
  local columns = cursor:getcolnames()
  local rows = {}
  local row, problem = cursor:fetch({}, 'n')
  while row do
    rows[#rows + 1] = wire.pack(table.unpack(row, 1, #columns))
    row, problem = cursor:fetch({}, 'n')
  end
  if problem then return nil, problem end
  cursor:close()
  return { columns = columns, rows = rows }
end

local worker = {} -- what the worker can be asked; each gets its state

function worker.connect(state, driver, ...)
  state.env = require('luasql.' .. driver)[driver]()
  local problem
  state.con, problem = state.env:connect(...)
  return state.con ~= nil, problem
end

function worker.execute(state, sql)
  local result, problem = state.con:execute(sql)
  if result == nil then return nil, problem end
  if type(result) == 'number' then return math.tointeger(result) or result end
  return all_rows(result)
end

for _, name in ipairs { 'commit', 'rollback', 'setautocommit', 'escape' } do
  worker[name] = function(state, ...) return state.con[name](state.con, ...) end
end

local function reply(ok, ...)
  if ok then return { result = wire.pack(...) } end
  return { result = { wire.null, tostring((...)) } }
end

--- The worker's main function: answers at the socket with this path until it is closed.
function dbworker.serve(path)
  local s = assert(socket('AF_UNIX', 'SOCK_STREAM'))
  assert(s:sysconnect('unix/', path))
  s:setmaxline(longest_line)
  local state = {}
  for line in s:lines() do
    local question = wire.decode(line)
    s:write(wire.encode(reply(pcall(worker[question.method], state, wire.unpack(question.params)))) .. '\n')
  end
end

-- -- Starting one -----------------------------------------------------------------------------------

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

--- Starts a process that connects to the socket with this path. The shell leaves it in the background at once.
local function launch(path)
  local code = ('require("coir.compat.vendetta.dbworker").serve(%q)'):format(path)
  return os.execute(('exec </dev/null >/dev/null; %s -e %s &'):format(quote(dbworker.program), quote(code)))
end

--- @return any? s the socket to a new worker
local function start()
  local listener <close> = assert(socket('AF_UNIX', 'SOCK_STREAM'))
  local path = os.tmpname()
  os.remove(path)
  local ok, message, code = listener:bind('unix/', path)
  if not ok then return nil, message, code end
  listener:listen(1)
  launch(path)
  local done, s, problem = pcall(listener.accept, listener, patience)
  os.remove(path)
  if not done then error(s, 0) end -- cancelled
  if not s then return nil, ('no worker (%s): %s'):format(dbworker.program, problem) end
  s:setmaxline(longest_line)
  return s
end

-- -- Asking it --------------------------------------------------------------------------------------

local gone = 'the database worker has ended'

local function exchange(s, text)
  local written, message = s:write(text)
  if not written then return nil, message end
  local line
  line, message = s:readline()
  if not line then return nil, message end
  return line:sub(-1) == '\n' and wire.decode(line), gone
end

--- Closes for good: an answer that is not read yet would be taken for that of the next question.
local function abandon(con)
  local s = con.socket
  con.socket = nil
  if s then s:close() end
end

--- Asks the worker, after those who asked before. Suspends; a cancellation point.
local function ask(con, method, ...)
  local text = wire.encode { method = method, params = wire.pack(...) } .. '\n'
  con.mutex:lock()
  local s = con.socket
  if not s then
    con.mutex:unlock()
    return nil, 'the connection is closed'
  end
  local ok, answer, problem = pcall(exchange, s, text)
  if not ok or not answer then abandon(con) end
  con.mutex:unlock()
  if ok and answer then return wire.unpack(answer.result) end
  if fiber.is_cancelled(answer) then error(answer, 0) end
  return nil, ok and problem or 'the connection is closed'
end

-- -- LuaSQL's objects -------------------------------------------------------------------------------

local Cursor = { __name = 'coir cursor' }
Cursor.__index = Cursor

--- The next row: into `into` by number ('n', so without a mode) or by name ('a'), or as values. nil after the last.
function Cursor:fetch(into, mode)
  local row = self.rows[self.at]
  if not row then return nil end
  self.rows[self.at] = nil
  self.at = self.at + 1
  if not into then return table.unpack(row, 1, #self.columns) end
  for i, name in ipairs(self.columns) do
    if mode and mode:find('a', 1, true) then into[name] = row[i] end
    if not mode or mode:find('n', 1, true) then into[i] = row[i] end
  end
  return into
end

function Cursor:getcolnames() return self.columns end
function Cursor:numrows() return self.count end

function Cursor:close()
  local open = self.rows[self.at] ~= nil
  self.rows = {}
  return open
end

local Connection = { __name = 'coir connection' }
Connection.__index = Connection

--- @return any result a cursor, or the number of rows that were changed; nil and a message
function Connection:execute(sql)
  local result, problem = ask(self, 'execute', sql)
  if type(result) ~= 'table' then return result, problem end
  return setmetatable({ columns = result.columns, rows = result.rows, count = #result.rows, at = 1 }, Cursor)
end

for _, name in ipairs { 'commit', 'rollback', 'setautocommit', 'escape' } do
  Connection[name] = function(self, ...) return ask(self, name, ...) end
end

--- Ends the worker; what is under way there fails. @return boolean closed false if it was closed already
function Connection:close()
  local open = self.socket ~= nil
  abandon(self)
  return open
end

--- Connects in a new worker. Suspends, but starting the process (some milliseconds) keeps all fibers.
--- @param driver string LuaSQL's name: 'sqlite3', 'postgres' and so on
--- @param ... any what the driver's env:connect takes: a file or source, user, password and so on
--- @return table? con with LuaSQL's methods execute, commit, rollback, setautocommit, escape, close
--- @return string? message
function dbworker.connect(driver, ...)
  local s, message = start()
  if not s then return nil, message end
  local con = setmetatable({ socket = s, mutex = fiber.mutex() }, Connection)
  local connected, problem = ask(con, 'connect', driver, ...)
  if connected then return con end
  con:close()
  return nil, problem
end

return dbworker
