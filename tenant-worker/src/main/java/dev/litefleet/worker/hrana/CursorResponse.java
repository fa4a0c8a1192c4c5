package dev.litefleet.worker.hrana;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.litefleet.replica.sqlite.Column;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.worker.tenant.CursorSink;
import dev.litefleet.worker.tenant.StreamState;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerResponse;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The streamed answer to a cursor: one JSON object per line, the first holds the baton.
///
/// Entries are written to memory on the thread that yields them and sent by the event loop, which
/// takes what has gathered by then; so many small rows become few large writes by themselves. At
/// most [#UNSENT_BYTES_MAX] and one row wait for a slow client, then the tenant is told to pause.
///
/// The head is sent with the first entry: until then the request can still fail with a status.
final class CursorResponse implements CursorSink {
    static final int UNSENT_BYTES_MAX = 256 << 10;

    private static final int FLUSH_BYTES = 16 << 10;
    private static final long JAVASCRIPT_INTEGER_MAX = 1L << 53;

    private final Call call;
    private final HttpServerResponse response;
    private final String baton;
    private final Ending ending;
    private final ByteArrayOutputStream gathered = new ByteArrayOutputStream(); // guarded by this
    private final JsonGenerator json = Json.lines(gathered); // guarded by this
    private boolean headed; // guarded by this
    private boolean finished; // guarded by this
    private boolean flushing; // guarded by this
    private int sending; // guarded by this; bytes handed to the connection, not yet accepted
    private @Nullable Runnable resume; // guarded by this

    /// What happens to the stream, on the event loop, just before the last bytes leave.
    interface Ending {
        /// @param after null if the cursor failed
        void ended(@Nullable StreamState after);
    }

    CursorResponse(Call call, String baton, Ending ending) {
        this.call = call;
        this.response = call.request.response();
        this.baton = baton;
        this.ending = ending;
    }

    /// An entry's members.
    private interface Entry {
        void write(JsonGenerator json) throws IOException;
    }

    @Override
    public void begin(int step, List<Column> columns) {
        entry(
                "step_begin",
                out -> {
                    out.writeNumberField("step", step);
                    ResultJson.columns(out, columns);
                },
                false);
    }

    @Override
    public void row(SqlValue[] row) {
        entry(
                "row",
                out -> {
                    out.writeFieldName("row");
                    ResultJson.row(out, row);
                },
                false);
    }

    @Override
    public void end(long rowsAffected, @Nullable Long lastInsertRowid) {
        entry(
                "step_end",
                out -> {
                    out.writeNumberField("affected_row_count", rowsAffected);
                    out.writeFieldName("last_insert_rowid");
                    rowid(out, lastInsertRowid);
                },
                true);
    }

    @Override
    public void error(int step, SqlFailure failure) {
        entry(
                "step_error",
                out -> {
                    out.writeNumberField("step", step);
                    out.writeFieldName("error");
                    HranaError.of(failure).write(out);
                },
                true);
    }

    @Override
    public void done(StreamState after) {
        entry("replication_index", out -> out.writeNullField("replication_index"), false);
        finish(after);
    }

    @Override
    public void failed(RuntimeException failure) {
        boolean begun;
        synchronized (this) {
            begun = headed;
        }
        if (begun) {
            HranaError error = HranaError.of(failure);
            entry(
                    "error",
                    out -> {
                        out.writeFieldName("error");
                        error.write(out);
                    },
                    false);
            finish(null);
        } else {
            call.later(() -> {
                ending.ended(null);
                call.fail(failure);
            });
        }
    }

    @Override
    public synchronized boolean ready() {
        return gathered.size() + sending < UNSENT_BYTES_MAX;
    }

    @Override
    public void whenReady(Runnable resume) {
        synchronized (this) {
            if (!ready()) {
                this.resume = resume;
                return;
            }
        }
        resume.run();
    }

    private void entry(String type, Entry members, boolean flush) {
        synchronized (this) {
            try {
                if (!headed) {
                    headed = true;
                    head();
                }
                json.writeStartObject();
                json.writeStringField("type", type);
                members.write(json);
                json.writeEndObject();
                line();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            if (flushing || !(flush || gathered.size() >= FLUSH_BYTES)) {
                return;
            }
            flushing = true;
        }
        call.later(this::flush);
    }

    private void head() throws IOException {
        json.writeStartObject();
        json.writeStringField("baton", baton);
        json.writeNullField("base_url");
        json.writeEndObject();
        line();
    }

    private void line() throws IOException {
        json.flush();
        gathered.write('\n');
    }

    /// A number as long as JavaScript can hold it, then a string: all clients read both.
    private static void rowid(JsonGenerator json, @Nullable Long rowid) throws IOException {
        if (rowid == null) {
            json.writeNull();
        } else if (-JAVASCRIPT_INTEGER_MAX <= rowid && rowid <= JAVASCRIPT_INTEGER_MAX) {
            json.writeNumber(rowid);
        } else {
            json.writeString(Long.toString(rowid));
        }
    }

    /// Sends what has gathered. On the event loop.
    private void flush() {
        byte[] bytes;
        synchronized (this) {
            flushing = false;
            if (finished) {
                return;
            }
            bytes = gathered.toByteArray();
            gathered.reset();
            sending += bytes.length;
        }
        if (response.closed() || bytes.length == 0) {
            sent(bytes.length);
            return;
        }
        beginAnswer();
        response.write(Buffer.buffer(bytes)).onComplete(_ -> sent(bytes.length));
    }

    private void sent(int bytes) {
        Runnable waiting;
        synchronized (this) {
            sending -= bytes;
            waiting = ready() ? resume : null;
            if (waiting != null) {
                resume = null;
            }
        }
        if (waiting != null) {
            waiting.run();
        }
    }

    private void finish(@Nullable StreamState after) {
        call.later(() -> {
            byte[] bytes;
            synchronized (this) {
                finished = true;
                bytes = gathered.toByteArray();
                gathered.reset();
            }
            ending.ended(after);
            if (!response.closed()) {
                beginAnswer();
                response.end(Buffer.buffer(bytes));
            }
            call.answered(200);
        });
    }

    private void beginAnswer() {
        if (!response.headWritten()) {
            Cors.answer(call.request);
            // As libsql-server has it; the type must not invite anybody to buffer or compress.
            response.setChunked(true).putHeader("content-type", "text/plain");
        }
    }
}
