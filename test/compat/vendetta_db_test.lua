-- vendetta_db_test.lua: the database layer with SQLite, in worker processes.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local vendetta = require 'vendetta'
local peer = require 'peer'
local child = require 'child'
local database = require 'database'
local dbclient = require 'coir.compat.vendetta.dbclient'
local dbserver = require 'coir.compat.vendetta.dbserver'
local dbworker = require 'coir.compat.vendetta.dbworker'
local fiber = require 'fiber'
local test = require 'test'

local folder = peer.folder()
local file = folder .. '/test.db'

local function open() return dbserver.connect('sqlite3', file, 15000) end

--- A query of about half a second.
local slow = 'with recursive c(n) as (select 1 union all select n + 1 from c where n < 1500000) select max(n) as n from c'

--- A case with a connection to a database in memory.
local function with_memory(sentence, body)
  test.case(sentence, function()
    local con = assert(dbserver.connect('sqlite3', ':memory:'))
    body(con)
    con:close()
  end)
end

local function worker_id(con) return con.socket:getsockopt('SOL_SOCKET', 'SO_PEERCRED').pid end

local function alive(id) return (os.execute(('kill -0 %d 2>/dev/null'):format(id))) end

peer.finally(function() peer.remove_folder(folder) end, function()
  -- -- The connection in a worker -----------------------------------------------------------------------

  with_memory("a worker's connection is LuaSQL's", function(con)
    test.equal(con:execute 'create table t (i integer, f real, s text, b blob)', 0)
    test.equal(con:execute "insert into t values (9007199254740993, 0.1, 'ü', x'00ff0a22')", 1)
    test.equal(con:execute 'insert into t values (null, 1.0, null, null)', 1)
    local cursor = con:execute 'select * from t'
    test.equal(cursor:getcolnames(), { 'i', 'f', 's', 'b' })
    test.equal(cursor:numrows(), 2)
    local row = cursor:fetch({}, 'a')
    test.equal(row, { i = 9007199254740993, f = 0.1, s = 'ü', b = '\0\255\n"' })
    test.equal(math.type(row.i), 'integer')
    test.equal(table.pack(cursor:fetch()), { n = 4, nil, 1.0, nil, nil })
    test.equal(cursor:fetch({}), nil)
    test.equal(cursor:close(), false)
  end)

  with_memory('fetch by number, by name, by both, and into a table that is used again', function(con)
    local cursor = con:execute 'select 1 as a, 2 as b union all select 3, null union all select 5, 6'
    test.equal(cursor:fetch({}), { 1, 2 })
    test.equal(cursor:fetch({ 9, 9, a = 9, b = 9 }, 'an'), { [1] = 3, a = 3 })
    test.equal(cursor:fetch({}, 'n'), { 5, 6 })
    cursor = con:execute 'select 1 as a'
    test.equal(cursor:close(), true)
    test.equal(cursor:fetch({}), nil)
  end)

  with_memory('failures are nil and a message', function(con)
    local result, message = con:execute 'no sql'
    test.equal(result, nil)
    test.match(message, 'syntax error')
    result, message = con:execute()
    test.equal(result, nil)
    test.match(message, 'string expected')
    test.equal(con:escape "a'b", "a''b")
    test.equal(con:execute 'create table t (i integer)', 0)
  end)

  test.case('what cannot be connected to', function()
    local con, message = dbserver.connect('sqlite3', folder .. '/no/such/folder/file')
    test.equal(con, nil)
    test.match(message, 'unable to open')
    con, message = dbserver.connect('nosuchdriver', 'x')
    test.equal(con, nil)
    test.match(message, "module 'luasql.nosuchdriver' not found")
  end)

  test.case('after close everything fails, and the worker has ended', function()
    local con = assert(dbserver.connect('sqlite3', ':memory:'))
    local id = worker_id(con)
    test.ok(alive(id))
    test.equal(con:close(), true)
    test.equal(con:close(), false)
    test.equal({ con:execute 'select 1' }, { nil, 'the connection is closed' })
    test.eventually(function() return not alive(id) end)
  end)

  test.case('a connection that is collected ends its worker', function()
    local id
    do
      local con = assert(dbserver.connect('sqlite3', ':memory:'))
      id = worker_id(con)
    end
    test.eventually(function()
      collectgarbage()
      return not alive(id)
    end)
  end)

  test.case('a worker that is killed: the query fails, and so do later ones', function()
    local con = assert(dbserver.connect('sqlite3', ':memory:'))
    local query = fiber.spawn(con.execute, con, slow)
    test.settle()
    os.execute('kill -KILL ' .. worker_id(con))
    local ok, result, message = query:join(10)
    test.equal({ ok, result }, { true, nil })
    test.equal(type(message), 'string')
    test.equal({ con:execute 'select 1' }, { nil, 'the connection is closed' })
  end)

  with_memory('close while a query runs', function(con)
    local query = fiber.spawn(con.execute, con, slow)
    test.settle()
    con:close()
    test.equal({ query:join(10) }, { true, nil, 'the connection is closed' })
  end)

  with_memory('a fiber that is cancelled in a query closes the connection: its answer would be taken for another', function(con)
    local query = fiber.spawn(con.execute, con, slow)
    test.settle()
    query:cancel()
    local ok, problem = query:join(10)
    test.equal({ ok, fiber.is_cancelled(problem) }, { false, true })
    test.equal({ con:execute 'select 1' }, { nil, 'the connection is closed' })
  end)

  test.case('a program that is no worker', function()
    local program = dbworker.program
    dbworker.program = '/nonexistent/program'
    local patience = fiber.spawn(dbserver.connect, 'sqlite3', ':memory:')
    test.settle()
    patience:cancel()
    local ok, problem = patience:join(10)
    dbworker.program = program
    test.equal({ ok, fiber.is_cancelled(problem) }, { false, true })
  end)

  -- -- The layer ----------------------------------------------------------------------------------------

  database.cases('SQLite', open, slow)

  test.case('dbserver needs a connection, and says so', function()
    test.raises('there is no connection', dbserver.make_server, 0)
  end)

  test.case('a connection that cannot be opened for a client: its calls raise why', function()
    for _, failing in ipairs {
      function() return nil, 'no database today' end,
      function() error('no database today') end,
    } do
      database.serve(failing, function(connect)
        local db = connect()
        test.raises('no database today', db.execute, db, 'select 1')
      end)
    end
  end)

  test.case('the driver itself may be served, too; its queries keep all fibers', function()
    local env = require('luasql.sqlite3').sqlite3()
    local con = env:connect(':memory:')
    local listening = dbserver.make_server(0, con)
    local db = dbclient.make_client('127.0.0.1', vendetta.port(listening))
    test.equal(db:execute 'select 1 as one union all select 2', { { one = 1 }, { one = 2 } })
    test.raises('syntax error', db.execute, db, 'no sql')
    test.equal({ db:setautocommit(false), db:commit(), db:rollback() }, { true, true, true })
    dbclient.close(db)
    listening:Disconnect()
    con:close()
    env:close()
  end)

  test.case('the server process is killed: calls raise, and all that was acknowledged is there', function()
    local setup = assert(open())
    assert(setup:execute 'create table acknowledged (client integer, n integer)')
    local server = child.start(([[
      local dbserver = require 'coir.compat.vendetta.dbserver'
      local listening = dbserver.make_server(0, assert(dbserver.connect('sqlite3', %q, 15000)))
      print(listening:GetSockName():match('%%d+$'))
    ]]):format(file), '-l', 'coir.compat.vendetta')
    local port = tonumber(server:line())
    local acknowledged, raised, group = 0, 0, fiber.wait_group()
    for i = 1, 50 do
      group:add()
      fiber.new(function()
        local db = dbclient.make_client('127.0.0.1', port)
        local ok, problem
        for n = 1, math.huge do
          ok, problem = pcall(db.execute, db, ('insert into acknowledged values (%d, %d)'):format(i, n))
          if not ok then break end
          acknowledged = acknowledged + 1
        end
        if tostring(problem):find('connection') then raised = raised + 1 end
        group:done()
      end)
    end
    test.eventually(function() return acknowledged >= 100 end)
    server:signal('KILL')
    test.ok(group:wait(15))
    server:wait()
    test.equal(raised, 50)
    local rows = tonumber(assert(setup:execute 'select count(*) from acknowledged'):fetch())
    test.ok(rows >= acknowledged, ('%d rows, %d acknowledged'):format(rows, acknowledged))
    setup:close()
  end)
end)

test.finish()
