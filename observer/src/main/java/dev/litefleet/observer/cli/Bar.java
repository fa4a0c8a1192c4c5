package dev.litefleet.observer.cli;

import dev.litefleet.replica.history.Progress;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/// A progress bar of bytes on standard error, where somebody sees it.
public final class Bar implements AutoCloseable {
    private final @Nullable ProgressBar bar;

    private Bar(@Nullable ProgressBar bar) {
        this.bar = bar;
    }

    /// @param task in a word or two
    public static Bar of(String task) {
        return new Bar(
                isSeen()
                        ? new ProgressBarBuilder()
                                .setTaskName(task)
                                .setInitialMax(0)
                                .setUnit(" MB", 1 << 20)
                                .setStyle(
                                        System.getenv("NO_COLOR") == null
                                                ? ProgressBarStyle.COLORFUL_UNICODE_BLOCK
                                                : ProgressBarStyle.ASCII)
                                .showSpeed()
                                .build()
                        : null);
    }

    /// A bar needs somebody who sees it and a terminal that can go back on a line.
    // Error Prone holds that it is never null since JDK 22; it is where standard input is no
    // terminal.
    @SuppressWarnings("SystemConsoleNull")
    public static boolean isSeen() {
        var console = System.console();
        return console != null && console.isTerminal() && !"dumb".equals(System.getenv("TERM"));
    }

    public Progress progress() {
        ProgressBar shown = bar;
        return shown == null
                ? Progress.NONE
                : (done, total) -> {
                    shown.maxHint(total);
                    shown.stepTo(done);
                };
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        }
    }
}
