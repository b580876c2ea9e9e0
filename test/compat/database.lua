--- database.lua: what holds for a database behind dbserver, whichever it is.
local vendetta = require 'vendetta'
local dbclient = require 'coir.compat.vendetta.dbclient'
local dbserver = require 'coir.compat.vendetta.dbserver'
local fiber = require 'fiber'
local test = require 'test'

local database = {}

--- Serves `con` and runs `body(connect, port)`; connect() makes a client. Everything is closed afterwards.
function database.serve(con, body)
  local listening = dbserver.make_server(0, con)
  local port = vendetta.port(listening)
  local clients = {}
  local ok, problem = pcall(body, function()
    clients[#clients + 1] = dbclient.make_client('127.0.0.1', port)
    return clients[#clients]
  end, port)
  for _, db in ipairs(clients) do dbclient.close(db) end
  listening:Disconnect()
  if type(con) == 'table' then con:close() end
  if not ok then error(problem, 0) end
end

--- Adds up ticks of another fiber while `body` runs. Returns their number.
function database.ticks_during(body)
  local ticks = 0
  local ticker = fiber.new(function()
    while true do
      ticks = ticks + 1
      fiber.sleep(0.001)
    end
  end)
  body()
  ticker:cancel()
  return ticks
end

--- The cases. `open()` connects to the database (or nil and a message); `slow` is a query that takes half a second
--- or so. Tables are made and dropped.
function database.cases(name, open, slow)
  local function case(sentence, body)
    test.case(name .. ': ' .. sentence, function() database.serve(assert(open()), body) end)
  end
  local function own_case(sentence, body)
    test.case(name .. ': ' .. sentence, function() database.serve(open, body) end)
  end

  case('execute returns numbers and records', function(connect)
    local db = connect()
    db:execute 'create table t (id integer primary key, word text)'
    test.equal(db:execute "insert into t values (1, 'one')", 1)
    test.equal(db:execute "insert into t values (2, 'Grüße, 日本語'), (3, null)", 2)
    local rows = db:execute 'select * from t order by id'
    test.equal(#rows, 3)
    test.equal({ tonumber(rows[1].id), rows[1].word, rows[2].word, rows[3].word }, { 1, 'one', 'Grüße, 日本語', nil })
    test.equal(db:execute 'select * from t where id > 99', {})
    test.equal(db:execute "update t set word = 'x' where id > 1", 2)
    test.equal(db:execute 'delete from t where id = 99', 0)
    db:execute 'drop table t'
  end)

  case('an error of the database is raised, and the connection goes on', function(connect)
    local db = connect()
    test.raises('syntax error', db.execute, db, 'selekt 1')
    test.raises('nosuch', db.execute, db, 'select * from nosuch')
    test.equal(#db:execute 'select 1 as one', 1)
    test.raises('no method nonsense', db.nonsense, db)
  end)

  case('escape', function(connect)
    test.equal(connect():escape "it's", "it''s")
  end)

  own_case('transactions: what is committed stays, what is rolled back does not', function(connect)
    local db = connect()
    db:execute 'create table t (id integer)'
    db:setautocommit(false)
    db:execute 'insert into t values (1)'
    db:commit()
    db:execute 'insert into t values (2)'
    db:rollback()
    db:setautocommit(true)
    test.equal(#connect():execute 'select * from t', 1)
    db:execute 'drop table t'
  end)

  own_case('what a client has not committed is rolled back when it goes', function(connect)
    local db, other = connect(), connect()
    other:execute 'create table t (id integer)'
    db:setautocommit(false)
    db:execute 'insert into t values (1)'
    dbclient.close(db)
    local rows
    test.eventually(function()
      local ok, result = pcall(other.execute, other, 'insert into t values (2)')
      rows = ok and result
      return ok
    end)
    test.equal(rows, 1)
    test.equal(#other:execute 'select * from t', 1)
    other:execute 'drop table t'
  end)

  case('a slow query stops no other fiber', function(connect)
    local db = connect()
    local ticks = database.ticks_during(function() db:execute(slow) end)
    test.ok(ticks > 10, ticks .. ' ticks')
  end)

  own_case('a slow query of one client does not keep another', function(connect)
    local slow_one, quick = connect(), connect()
    quick:execute 'select 1'
    local running = fiber.spawn(slow_one.execute, slow_one, slow)
    test.equal(#quick:execute 'select 1 as one', 1)
    test.equal(running:status(), 'suspended')
    test.ok(running:join(15))
  end)

  case('fifty clients at once, and nothing is lost', function(connect)
    local first = connect()
    first:execute 'create table t (client integer, n integer)'
    local group = fiber.wait_group()
    for i = 1, 50 do
      group:add()
      fiber.new(function()
        local db = connect()
        for n = 1, 5 do test.equal(db:execute(('insert into t values (%d, %d)'):format(i, n)), 1) end
        group:done()
      end)
    end
    test.ok(group:wait(18))
    test.equal(tonumber(first:execute('select count(*) as n from t')[1].n), 250)
    test.equal(tonumber(first:execute('select count(distinct client) as n from t')[1].n), 50)
    first:execute 'drop table t'
  end)

  case('many calls of one client are done in their order', function(connect)
    local db = connect()
    db:execute 'create table t (id integer)'
    local group, seen = fiber.wait_group(), {}
    for i = 1, 20 do
      group:add()
      fiber.new(function()
        db:execute(('insert into t values (%d)'):format(i))
        local rows = db:execute 'select count(*) as n from t'
        seen[i] = tonumber(rows[1].n)
        group:done()
      end)
    end
    test.ok(group:wait(15))
    for i = 1, 20 do test.ok(seen[i] >= i) end
    db:execute 'drop table t'
  end)

  case('a call in a coroutine yields it', function(connect)
    local db, order, told = connect(), {}, fiber.channel(1)
    coroutine.wrap(function()
      local rows = db:execute "select 'x' as word"
      order[#order + 1] = rows[1].word
      told:put(true)
    end)()
    order[#order + 1] = 'after'
    test.ok(told:get(10))
    test.equal(order, { 'after', 'x' })
  end)

  case('megabytes in both directions', function(connect)
    local db = connect()
    db:execute 'create table t (word text)'
    local word = ('0123456789abcdef'):rep(1 << 17)
    db:execute(("insert into t values ('%s')"):format(word))
    test.ok(db:execute('select word from t')[1].word == word)
    db:execute 'drop table t'
  end)
end

return database
