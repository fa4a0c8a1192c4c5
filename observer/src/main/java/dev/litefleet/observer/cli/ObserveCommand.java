package dev.litefleet.observer.cli;

import picocli.CommandLine.Command;

/// Opens any tenant at any point of its history straight from object storage. Needs nothing but
/// read access to the bucket: controller and workers may be dead.
@Command(
        name = "observe",
        mixinStandardHelpOptions = true,
        description = "Read any tenant at any point, straight from object storage.",
        subcommands = {
            LsCommand.class,
            PullCommand.class,
            QueryCommand.class,
            VerifyCommand.class,
            EjectCommand.class
        },
        footer = {
            "",
            "Points:  tenant            the last durable commit",
            "         tenant@2a41       after transaction 2a41",
            "         tenant@~5         five commits before the last one",
            "         tenant@2026-11-20T14:03:11Z  or  tenant@-10m"
        })
public final class ObserveCommand {}
