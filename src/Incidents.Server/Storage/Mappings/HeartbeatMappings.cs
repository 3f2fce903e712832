using Incidents.Domain.Alerts;
using Incidents.Server.Alerts;
using Incidents.Server.Response.Heartbeats;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Incidents.Server.Storage.Mappings;

internal sealed class HeartbeatMapping : IEntityTypeConfiguration<Heartbeat>
{
    public void Configure(EntityTypeBuilder<Heartbeat> builder)
    {
        builder.ToTable("heartbeats").HasKey(h => h.Id);
        builder.Property(h => h.Id).UseIdentityByDefaultColumn();
        builder.Property(h => h.Labels).HasColumnType("jsonb")
            .HasConversion(l => AlertJson.Write(l), text => AlertJson.Read(text), new ValueComparer<Labels>((a, b) => a!.Equals(b), l => l.GetHashCode(), l => l));
        builder.Ignore(h => h.Every).Ignore(h => h.GraceTime).Ignore(h => h.Title);
        builder.HasIndex(h => new { h.Kind, h.Source, h.Key }).IsUnique();
        builder.HasIndex(h => h.DueAt, "ix_heartbeats_due").HasFilter("state <> 'missed'");
        builder.HasIndex(h => h.Id, "ix_heartbeats_missed").HasFilter("state = 'missed'");
    }
}

internal sealed class HeartbeatGapMapping : IEntityTypeConfiguration<HeartbeatGap>
{
    public void Configure(EntityTypeBuilder<HeartbeatGap> builder)
    {
        builder.ToTable("heartbeat_gaps").HasKey(g => g.Id);
        builder.Property(g => g.Id).UseIdentityByDefaultColumn();
        builder.HasOne<Heartbeat>().WithMany().HasForeignKey(g => g.HeartbeatId).OnDelete(DeleteBehavior.Cascade);
        builder.HasIndex(g => g.HeartbeatId, "ux_heartbeat_gaps_open").IsUnique().HasFilter("back_at is null");
        builder.HasIndex(g => new { g.HeartbeatId, g.MissedAt });
    }
}

internal sealed class HeartbeatWatchMapping : IEntityTypeConfiguration<HeartbeatWatch>
{
    public void Configure(EntityTypeBuilder<HeartbeatWatch> builder)
    {
        builder.ToTable("heartbeat_watch").HasKey(w => w.Id);
        builder.Property(w => w.Id).ValueGeneratedNever();
    }
}
